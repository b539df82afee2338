"""The sets that the bench knows: their files read as recordings, their profiles, their scores."""
