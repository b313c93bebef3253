"""HTTP: requests, kept-alive connections, retries, limits, paging; nothing about what a service means.

May import base.
"""
