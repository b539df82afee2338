"""Rules and limits as versions that people propose, approve, put into force and take back."""
