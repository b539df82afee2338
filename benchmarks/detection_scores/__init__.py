"""How alarms are judged: the official scores of each set, as pure functions of alarms and truth."""
