"""What a user could pick instead, each as small as its own documentation shows it, all with the same three routes.

    GET /products/stats/asin-status   the breakdown of the caller, cached for TTL seconds
    POST /products                    a change, and then the contender's own way to invalidate
    GET /healthz                      200 once it serves

Settings come as the application's own environment variables; TTL is CACHE_TTL. All but the limit check the same token
with the same code (`identity`) and ask the same database with the same client (`database`). Their Redis clients get the
pool and the time-outs of the note this product started from: 10 connections (as many as THREADS, when there are more),
2 s to connect and to answer.
"""
