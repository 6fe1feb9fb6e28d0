"""The door for assistants and other programs that speak the Model Context Protocol."""
