"""Endpoints: whatever answers by the signatures of an export, in this process or on a server."""
