module balance.example/secondverifier

go 1.25.0

require (
	filippo.io/mldsa v1.0.0
	golang.org/x/mod v0.22.0
)
