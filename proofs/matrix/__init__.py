"""The crash matrix: the real controller, its real clients, and every fault at every remote call.

The account behind the clients is in memory and answers as HTTP does: botocore's `before-send` and a
urllib3 connection of ours take each request before there is a socket. So what runs is all of
functions/: the entry, the batch processor, the recovery, and the adapters with their translation of
errors and the SDKs' own resending.

What is assumed of the services: a name is unique at once; a job's Environment comes into being with
it; a successor is not deleted before its parent's verdict stands (ADR 1), nor is a tag that said so
read stale afterwards; AddTags that answers 200 has had its effect. All else may happen. What nobody
knows of AWS is so, and then otherwise (ADR 15).
"""
