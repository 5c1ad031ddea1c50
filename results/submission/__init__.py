"""What makes a record fit to be published: checks, the folder of a submission, what it changes."""
