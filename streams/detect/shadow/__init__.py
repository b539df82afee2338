"""The profile that is tried beside the live one."""
