"""MQTT: what devices send goes into the database, and what the database wants sent goes to the devices."""
