"""Who is reached: desks, roster, escalation chains, pages to people, the hand-over of a shift."""
