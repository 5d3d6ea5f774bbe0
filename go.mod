module github.com/sluice-net/sluice

go 1.26.0
