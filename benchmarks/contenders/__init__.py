"""Alternatives to our application. Each is as small as its own documentation shows it and has the same routes.

    GET /products/stats/asin-status   the caller's breakdown, cached for TTL seconds
    POST /products                    creates a product, followed by the contender's own invalidation
    PATCH /products/deal/<id>         changes a deal, followed by the same invalidation
    DELETE /products/deal/<id>        deletes a deal, followed by the same invalidation
    GET /healthz                      200 as soon as the server answers

Settings come from the same environment variables as the application's; TTL is CACHE_TTL. All contenders except the
limit check the same token with the same code (`shared`) and call the same database with the same client (`database`).
Their Redis clients use the pool and time-outs of the note that this product is based on: 10 connections (or THREADS, if
that is more), 2 s to connect and 2 s for an answer.
"""
