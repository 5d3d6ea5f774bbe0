# What the netns lane and the demo need besides Go and Linux.
.PHONY: cni
cni: ## build the reference CNI plugins into bin/cni
	cd tests/cni && go build -o $(CURDIR)/bin/cni/ tool
