"""The zoo: small real Keras programs, faulty and healthy, on which the rules are measured. See docs/zoo.md."""
