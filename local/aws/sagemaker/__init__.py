"""Amazon SageMaker's training jobs on this machine, as a service inside MiniStack.

What a job asks for happens: its command runs as a process tree of its own, with `/opt/ml` laid out
as SageMaker lays it out; its channels come from S3 and its model goes there; its role is what it
may do; each change is told on EventBridge. `TrainingImage` is a label only: there is no Docker, so
the command finds the Python, and the packages, that the server itself runs on. However many
instances a job asks for, it gets this one machine.
"""
