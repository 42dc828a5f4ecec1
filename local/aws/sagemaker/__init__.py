"""Amazon SageMaker's training jobs on this machine, as a service inside MiniStack.

What a job asks for happens: its command runs as a process tree of its own, with `/opt/ml` laid out
as SageMaker lays it out; its channels come from S3 and its model goes there; its role is what it
may do; each change is told on EventBridge. `TrainingImage` is a label only: there is no Docker, so
the command finds the Python, and the packages, that the server itself runs on.

Each instance that a job asks for is a host, algo-1 to algo-N: a container of its own, with its own
`/opt/ml`, hostname and `/etc/hosts`, on 127.0.0.1 to 127.0.0.N. The network is this machine's, so
two jobs of several hosts that listen on one port are in each other's way.
"""
