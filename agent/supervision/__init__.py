"""What an unattended process needs: progress, heartbeat, watchdog, stop control, detaching."""
