"""Basic definitions: records, value types, parameters, errors, time and authorization."""
