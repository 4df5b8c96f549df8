"""How fast artifacts run: each in the runtime that it is for, all of them in turns."""
