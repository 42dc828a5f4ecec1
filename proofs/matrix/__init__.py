"""The crash matrix: the real controller, its real clients, and every fault at every remote call.

The account behind the clients is in memory and answers as HTTP does: botocore's `before-send` and a
urllib3 connection of ours take each request before there is a socket. So what runs is all of
functions/: the entry, the batch processor, the recovery, and the adapters with their translation of
errors and the SDKs' own resending.
"""
