################################################################################
#
# wasmedge
#
################################################################################

WASMEDGE_VERSION = 0.16.1
WASMEDGE_SITE = https://github.com/WasmEdge/WasmEdge
WASMEDGE_SITE_METHOD = git
WASMEDGE_LICENSE = Apache-2.0
WASMEDGE_LICENSE_FILES = LICENSE
WASMEDGE_DEPENDENCIES = spdlog

# Where CMake does not find spdlog, it downloads it.
WASMEDGE_CONF_OPTS = \
	-DFETCHCONTENT_FULLY_DISCONNECTED=ON \
	-DWASMEDGE_BUILD_PLUGINS=OFF \
	-DWASMEDGE_BUILD_TESTS=OFF \
	-DWASMEDGE_BUILD_TOOLS=ON \
	-DWASMEDGE_FORCE_DISABLE_LTO=ON \
	-DWASMEDGE_USE_LLVM=OFF

# WasmEdge takes its version from git, and the archive has no git history.
define WASMEDGE_SET_VERSION
	printf '%s' $(WASMEDGE_VERSION) > $(@D)/VERSION
endef
WASMEDGE_POST_EXTRACT_HOOKS += WASMEDGE_SET_VERSION

# Warnings of a newer compiler must not stop the build.
define WASMEDGE_NO_WERROR
	$(SED) '/^ *-Werror$$/d' $(@D)/cmake/Helper.cmake
endef
WASMEDGE_POST_PATCH_HOOKS += WASMEDGE_NO_WERROR

$(eval $(cmake-package))
