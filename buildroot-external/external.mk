include $(sort $(wildcard $(BR2_EXTERNAL_HAL_PATH)/package/*/*.mk))
