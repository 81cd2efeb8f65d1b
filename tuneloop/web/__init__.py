"""The REST interface below ``/api`` and the console pages. Every stage is here because its class is."""
