"""HTTP: the page people work with, and its JSON twin. Decides nothing about calls; services do."""
