"""Reinforcement learning from human feedback: PPO on another environment, the text."""
