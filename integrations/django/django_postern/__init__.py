"""Private files of Django behind nginx and Postern."""
