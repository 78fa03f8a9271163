"""What happens in a client, told to the bus, and what is new on the bus, told to the client's agent."""
