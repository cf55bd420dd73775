"""Rules rate calls by themselves: when a call is over, each that holds of it says its part of a rating."""
