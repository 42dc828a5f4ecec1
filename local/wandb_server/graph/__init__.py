"""W&B's GraphQL interface: one class per type of the schema, one method per field."""
