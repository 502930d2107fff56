"""Tables and figures: for each one function that returns the data and one that draws it."""
