"""`resilient-run --check`: whether a training that saves by itself would come back."""
