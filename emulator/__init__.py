"""Cloud ML Engine on one machine, offline: training, prediction and their storage."""
