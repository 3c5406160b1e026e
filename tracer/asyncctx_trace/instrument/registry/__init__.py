"""What is known of the program: tasks, resources, sites, classes of managers."""
