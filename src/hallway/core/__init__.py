"""The vocabulary of the project: records, value types, parameters, errors, time, and who may do what."""
