"""What the command lines have in common; imports nothing heavy."""
