################################################################################
#
# cocos-agent
#
################################################################################

COCOS_AGENT_VERSION = v0.9.0
COCOS_AGENT_SITE = https://github.com/ultravioletrs/cocos
COCOS_AGENT_SITE_METHOD = git
COCOS_AGENT_LICENSE = Apache-2.0
COCOS_AGENT_LICENSE_FILES = LICENSE
COCOS_AGENT_GOMOD = github.com/ultravioletrs/cocos
COCOS_AGENT_BUILD_TARGETS = \
	cmd/agent \
	cmd/attestation-service \
	cmd/computation-runner \
	cmd/egress-proxy \
	cmd/log-forwarder
COCOS_AGENT_LDFLAGS = \
	-X github.com/absmach/supermq.Version=$(COCOS_AGENT_VERSION)

# The archive contains the upstream tag only, so its hash can be computed from
# the git tree. The Go modules are downloaded separately: go.sum, which is in
# the archive, has the hash of every module. An archive with vendored modules
# would depend on the Go release that vendored them.
override COCOS_AGENT_DOWNLOAD_POST_PROCESS =

COCOS_AGENT_MODULES = $(COCOS_AGENT_DL_DIR)/modules-$(COCOS_AGENT_VERSION)
COCOS_AGENT_GO_ENV = \
	CGO_ENABLED=0 \
	GOFLAGS="-mod=readonly -modcacherw" \
	GOMODCACHE="$(COCOS_AGENT_MODULES)"

# "make source" does this too, so a later build can be offline.
define COCOS_AGENT_DOWNLOAD_MODULES
	$(Q)if [ ! -e $(COCOS_AGENT_MODULES)/.complete ]; then \
		rm -rf $(@D)/.modules && mkdir -p $(@D)/.modules && \
		$(TAR) -C $(@D)/.modules --strip-components=1 \
			-xzf $(COCOS_AGENT_DL_DIR)/$(COCOS_AGENT_SOURCE) && \
		cd $(@D)/.modules && \
		$(HOST_GO_TARGET_ENV) $(COCOS_AGENT_GO_ENV) \
			GOPROXY=direct GOSUMDB=off \
			$(GO_BIN) mod download && \
		touch $(COCOS_AGENT_MODULES)/.complete && \
		rm -rf $(@D)/.modules; \
	fi
endef
COCOS_AGENT_POST_DOWNLOAD_HOOKS += COCOS_AGENT_DOWNLOAD_MODULES

# Others may write to the download directory: check the modules again.
define COCOS_AGENT_VERIFY_MODULES
	cd $(@D); $(HOST_GO_TARGET_ENV) $(COCOS_AGENT_GO_ENV) \
		$(GO_BIN) mod verify
endef
COCOS_AGENT_PRE_BUILD_HOOKS += COCOS_AGENT_VERIFY_MODULES

define COCOS_AGENT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/bin/agent $(TARGET_DIR)/usr/bin/cocos-agent
	$(foreach program,attestation-service computation-runner egress-proxy log-forwarder,
		$(INSTALL) -D -m 0755 $(@D)/bin/$(program) \
			$(TARGET_DIR)/usr/bin/$(program)
	)
	$(INSTALL) -D -m 0755 $(COCOS_AGENT_PKGDIR)/take-environment \
		$(TARGET_DIR)/usr/lib/cocos/take-environment
	mkdir -p $(TARGET_DIR)/cocos $(TARGET_DIR)/etc/cocos $(TARGET_DIR)/etc/certs
endef

COCOS_AGENT_UNITS = \
	attestation-service.service \
	cocos-agent.service \
	cocos-environment.service \
	cocos.mount \
	computation-runner.service \
	egress-proxy.service \
	log-forwarder.service

define COCOS_AGENT_INSTALL_INIT_SYSTEMD
	$(foreach unit,$(COCOS_AGENT_UNITS),
		$(INSTALL) -D -m 0644 $(COCOS_AGENT_PKGDIR)/$(unit) \
			$(TARGET_DIR)/usr/lib/systemd/system/$(unit)
	)
endef

$(eval $(golang-package))
