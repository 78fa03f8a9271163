"""The nouns, one service each. A service decides; it never renders, and it keeps its rows through the store."""
