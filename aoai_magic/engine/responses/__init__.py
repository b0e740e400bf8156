"""Responses: one request to one answer, with code run in containers.

A response is a list of items. What a response of ours holds beside the items of the
wire stands under keys that begin with an underscore and is never shown.
"""
