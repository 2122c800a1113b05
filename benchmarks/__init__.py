"""The figures of this program as ratios to its peers, each measured in one run on one machine."""
