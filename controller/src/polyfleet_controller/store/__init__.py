"""The only SQL of the controller: tables, their migrations, and queries; SQLite or PostgreSQL."""
