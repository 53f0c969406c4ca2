"""What GitOps needs of its surroundings, real and on this machine: a git server, and Flux's controllers."""
