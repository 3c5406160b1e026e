"""Write recordings for other tools, and send them there."""
