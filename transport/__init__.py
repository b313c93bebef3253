"""HTTP for all services: requests, kept-alive connections, retries, limits, paging.

May import base. Knows nothing about a particular service.
"""
