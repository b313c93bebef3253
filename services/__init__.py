"""The clients of the services: BookFusion, Hardcover and BookLore.

May import transport, rules and base.
"""
