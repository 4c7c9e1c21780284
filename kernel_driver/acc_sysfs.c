// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of the card (docs/kernel.md): what may be known without opening its node.
 */
#include <linux/sysfs.h>

#include "acc_drv.h"

static struct acc_device *acc_of(struct device *dev)
{
	return to_acc(dev_get_drvdata(dev));
}

static const char *acc_engine_name(u32 engine)
{
	switch (engine) {
	case DRM_ACC_ENGINE_NULL:
		return "null";
	case DRM_ACC_ENGINE_CROSSBAR:
		return "crossbar";
	case DRM_ACC_ENGINE_FPGA:
		return "fpga";
	default:
		return "unknown";
	}
}

static ssize_t engine_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", acc_engine_name(acc_of(dev)->identity.engine));
}
static DEVICE_ATTR_RO(engine);

static ssize_t model_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", acc_of(dev)->identity.name);
}
static DEVICE_ATTR_RO(model);

static ssize_t abi_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct drm_acc_identity *identity = &acc_of(dev)->identity;

	return sysfs_emit(buf, "%u.%u\n", identity->abi_major, identity->abi_minor);
}
static DEVICE_ATTR_RO(abi);

static ssize_t features_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%#llx\n", acc_of(dev)->identity.features);
}
static DEVICE_ATTR_RO(features);

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%pUb\n", acc_of(dev)->identity.uuid);
}
static DEVICE_ATTR_RO(uuid);

static ssize_t clients_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct acc_device *acc = acc_of(dev);
	struct acc_file *file;
	unsigned long asid;
	u32 count = 0;

	mutex_lock(&acc->files_lock);
	xa_for_each(&acc->files, asid, file)
		count++;
	mutex_unlock(&acc->files_lock);
	return sysfs_emit(buf, "%u\n", count);
}
static DEVICE_ATTR_RO(clients);

static ssize_t resets_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(acc_of(dev)->resets));
}
static DEVICE_ATTR_RO(resets);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct acc_device *acc = acc_of(dev);

	return sysfs_emit(buf, "%s\n", READ_ONCE(acc->gone) ? "gone" :
				       READ_ONCE(acc->asleep) ? "asleep" : "ready");
}
static DEVICE_ATTR_RO(state);

static struct attribute *acc_attrs[] = {
	&dev_attr_engine.attr, &dev_attr_model.attr, &dev_attr_abi.attr,
	&dev_attr_features.attr, &dev_attr_uuid.attr, &dev_attr_clients.attr,
	&dev_attr_resets.attr, &dev_attr_state.attr, NULL,
};

static const struct attribute_group acc_group = {
	.attrs = acc_attrs,
};

const struct attribute_group *acc_sysfs_groups[] = { &acc_group, NULL };
