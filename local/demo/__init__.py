"""The main job, end to end, on one machine: a training job dies, nobody acts, it finishes."""
