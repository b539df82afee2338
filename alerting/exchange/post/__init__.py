"""What other organisations' systems send us, kept and acted on."""
