"""The judgement of "equal": two sides of one checkpoint, compared under one rule."""
