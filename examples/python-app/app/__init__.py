"""A web application that sends notifications."""
