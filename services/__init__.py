"""What is asked over the network: BookFusion, Hardcover and BookLore.

May import transport, rules and base.
"""
