"""The simulated market: two venues that trade the same symbols, their books, and who trades on them."""
