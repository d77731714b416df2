"""What a student forgot: public benchmarks, and questions of one's own, put to the base model and to the student."""
