"""What the model of a water network says, as arrays that a detector can learn from."""
