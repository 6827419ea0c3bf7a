"""Where data comes from: what is new, what it says, how it is known again."""
